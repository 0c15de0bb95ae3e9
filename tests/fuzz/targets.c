/* The table of all targets. */
#include "fuzz.h"
#include "mem.h"

const struct fuzz_target fuzz_targets[] = {
    {"yconf", fuzz_yconf},
    {"part", fuzz_part},
    {"config", fuzz_config},
    {"shape", fuzz_shape},
    {"id", fuzz_id},
    {"http", fuzz_http},
    {"slice_body", fuzz_slice_body},
    {"agent_request", fuzz_agent_request},
    {"ocs_reply", fuzz_ocs_reply},
    {"ocs_request", fuzz_ocs_request},
    {"fabric_request", fuzz_fabric_request},
    {"sim_request", fuzz_sim_request},
    {"agent_reply", fuzz_agent_reply},
    {"fabric_reply", fuzz_fabric_reply},
    {"store", fuzz_store},
    {"route_cache", fuzz_route_cache},
    {"tables", fuzz_tables},
    {"health_request", fuzz_health_request},
    {"health_reply", fuzz_health_reply},
    {"health_state", fuzz_health_state},
    {"health_config", fuzz_health_config},
    {"probe_request", fuzz_probe_request},
    {"probe_reply", fuzz_probe_reply},
};
const size_t fuzz_target_count = ARRAY_LEN(fuzz_targets);
