/* Configuration files of podmgr and podsim: what one accepts, it frees. */
#include "config.h"
#include "fuzz.h"
#include "simulator/serve.h"

void fuzz_config(const uint8_t *data, size_t size)
{
    const char *file = fuzz_file("yaml", data, size);
    struct config config;
    struct sim_config sim;
    struct error err;

    if (config_load(&config, file, &err) == 0) {
        config_fini(&config);
    }
    if (sim_config_load(&sim, file, &err) == 0) {
        sim_config_fini(&sim);
    }
}
