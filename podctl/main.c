#include "podctl/podctl.h"

int main(int argc, char **argv)
{
    return podctl_run(argc, argv, stdout, stderr);
}
