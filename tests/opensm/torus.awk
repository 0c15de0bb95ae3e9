# Writes an X x Y x Z torus as ibsim reads it (FILE.net) and its seed as opensm's
# torus-2QoS does (FILE.conf): one switch with one host a node.  Port 1 of a switch
# leads to +x, 2 to -x, 3 and 4 along y, 5 and 6 along z, 7 to the host.
#
#   awk -v X=8 -v Y=8 -v Z=8 -v FILE=torus -f torus.awk

function node(x, y, z) {
    return (x + X) % X + X * ((y + Y) % Y + Y * ((z + Z) % Z))
}

function guid(n) {
    return sprintf("0x%x", 2097152 + 16 * n)
}

function link(port, n, far) {
    printf "[%d]\t\"S%d\"[%d]\n", port, n, far > net
}

function seed(word, n) {
    print word, guid(0), guid(n) > conf
}

BEGIN {
    net = FILE ".net"
    conf = FILE ".conf"
    for (n = 0; n < X * Y * Z; n++) {
        printf "Hca\t1 \"H%d\"\n[1]\t\"S%d\"[7]\n\n", n, n > net
    }
    for (z = 0; z < Z; z++) {
        for (y = 0; y < Y; y++) {
            for (x = 0; x < X; x++) {
                n = node(x, y, z)
                printf "switchguid=%s\nSwitch\t8 \"S%d\"\n", guid(n), n > net
                link(1, node(x + 1, y, z), 2)
                link(2, node(x - 1, y, z), 1)
                link(3, node(x, y + 1, z), 4)
                link(4, node(x, y - 1, z), 3)
                link(5, node(x, y, z + 1), 6)
                link(6, node(x, y, z - 1), 5)
                printf "[7]\t\"H%d\"[1]\n\n", n > net
            }
        }
    }
    print "torus", X, Y, Z > conf
    seed("xp_link", node(1, 0, 0)) # on axes of four, torus-2QoS needs both directions
    seed("xm_link", node(-1, 0, 0))
    seed("yp_link", node(0, 1, 0))
    seed("ym_link", node(0, -1, 0))
    seed("zp_link", node(0, 0, 1))
    seed("zm_link", node(0, 0, -1))
}
