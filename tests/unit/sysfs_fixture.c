#include "sysfs_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

static void write_mode(const struct sysfs_fixture *f, const char *path, const char *text,
                       const char *mode)
{
    char full[512];

    (void)snprintf(full, sizeof full, "%s/%s", f->root, path);
    for (char *at = full + strlen(f->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(full, 0700);
        *at = '/';
    }
    FILE *file = fopen(full, mode);
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void sysfs_fixture_write(const struct sysfs_fixture *f, const char *path, const char *text)
{
    write_mode(f, path, text, "w");
}

void sysfs_fixture_append(const struct sysfs_fixture *f, const char *path, const char *text)
{
    write_mode(f, path, text, "a");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void sysfs_fixture_remove(const struct sysfs_fixture *f, const char *path)
{
    char full[512];

    (void)snprintf(full, sizeof full, "%s/%s", f->root, path);
    assert_int_equal(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void sysfs_fixture_init(struct sysfs_fixture *f)
{
    (void)snprintf(f->root, sizeof f->root, "/tmp/podmgr-test-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    sysfs_fixture_write(f, "sys/kernel/uevent_seqnum", "1\n");
}

void sysfs_fixture_fini(struct sysfs_fixture *f)
{
    sysfs_fixture_remove(f, "");
}

static void sound_accelerator(const struct sysfs_fixture *f, unsigned k)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"current_link_width", "16\n"},
        {"max_link_width", "16\n"},
        {"current_link_speed", "16.0 GT/s PCIe\n"},
        {"max_link_speed", "16.0 GT/s PCIe\n"},
        {"aer_dev_correctable", "RxErr 1\nBadTLP 2\nTOTAL_ERR_COR 3\n"},
        {"aer_dev_nonfatal", "Undefined 0\nTOTAL_ERR_NONFATAL 0\n"},
        {"aer_dev_fatal", "Undefined 0\nTOTAL_ERR_FATAL 0\n"},
        {"hbm_ce_count", "7\n"},
        {"hbm_ue_count", "0\n"},
        {"throttled_ms", "120\n"},
        {"heartbeat", "4294967000\n"},
        {"step_us", "998\n"},
        {"hwmon/hwmon4/temp1_input", "58000\n"},
        {"hwmon/hwmon4/temp2_input", "61500\n"},
    };
    char path[256], target[128], link[256];

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)snprintf(path, sizeof path, "sys/devices/pci0000:00/0000:0%u:00.0/%s", k + 1,
                       files[i].name);
        sysfs_fixture_write(f, path, files[i].text);
    }
    for (unsigned p = 0; p < 6; p++) {
        static const struct {
            const char *name, *text;
        } port[] = {{"crc_errors", "0\n"},
                    {"fec_corrected", "4096\n"},
                    {"retrains", "1\n"},
                    {"rx_power_mdbm", "-310\n"},
                    {"rate_mbps", "399500\n"}};
        for (size_t i = 0; i < ARRAY_LEN(port); i++) {
            (void)snprintf(path, sizeof path, "sys/devices/pci0000:00/0000:0%u:00.0/ici/%u/%s",
                           k + 1, p, port[i].name);
            sysfs_fixture_write(f, path, port[i].text);
        }
    }
    (void)snprintf(path, sizeof path, "sys/class/accel/accel%u/dev", k);
    sysfs_fixture_write(f, path, "261:0\n");
    (void)snprintf(link, sizeof link, "%s/sys/class/accel/accel%u/device", f->root, k);
    (void)snprintf(target, sizeof target, "../../../devices/pci0000:00/0000:0%u:00.0", k + 1);
    assert_int_equal(symlink(target, link), 0);
    (void)snprintf(link, sizeof link, "%s/sys/bus/pci/devices/0000:0%u:00.0", f->root, k + 1);
    (void)snprintf(target, sizeof target, "../../../devices/pci0000:00/0000:0%u:00.0", k + 1);
    assert_int_equal(symlink(target, link), 0);
}

void sysfs_fixture_sound(const struct sysfs_fixture *f)
{
    static const struct {
        const char *path, *text;
    } files[] = {
        {"sys/bus/pci/devices/0000:00:1f.0/vendor", "0x8086\n"}, /* without AER */
        {"sys/devices/system/edac/mc/mc0/ce_count", "2\n"},
        {"sys/devices/system/edac/mc/mc0/ue_count", "0\n"},
        {"sys/devices/system/edac/mc/mc1/ce_count", "3\n"},
        {"sys/devices/system/edac/mc/mc1/ue_count", "1\n"},
        {"sys/class/hwmon/hwmon0/temp1_input", "44000\n"},
        {"sys/class/hwmon/hwmon0/temp1_max", "100000\n"},
        {"sys/class/hwmon/hwmon1/temp1_input", "47250\n"},
        {"sys/class/hwmon/hwmon1/in0_alarm", "0\n"},
        {"sys/class/hwmon/hwmon1/power1_alarm", "0\n"},
        {"sys/class/hwmon/hwmon1/fan1_alarm", "1\n"}, /* not electric */
        {"proc/sys/kernel/random/boot_id", "0f6a5a0e-3c1c-4d8e-9a34-0d5f8f2c1a11\n"},
        {"dev/kmsg",
         "6,1,10,-;accel accel0: ready\n3,2,20,-;accel accel1: timeout\n"
         "3,3,30,-;EDAC MC0: 1 uncorrected\n SUBSYSTEM=edac\n4,4,40,-;accel accel1: slow\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        sysfs_fixture_write(f, files[i].path, files[i].text);
    }
    for (unsigned k = 0; k < 4; k++) {
        sound_accelerator(f, k);
    }
}
