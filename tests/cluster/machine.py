"""A machine of a cluster: ``python -m tests.cluster.machine serve --config FILE`` joins Ray and serves, a world apart.

Ray attaches a program to the head's node if it sees that on the same machine. So this one sees none but its own: it has
its own processes (a namespace of Linux), which all end with it. RAY_HEAD and NODE_IP say where the head and it are.
"""

from __future__ import annotations

import os
import sys

from tests.cluster.ray_nodes import APART, OBJECT_STORE, ray_program

_BEGIN = """
"$RAY" start --address="$RAY_HEAD" --node-ip-address="$NODE_IP" --num-cpus=2 --object-store-memory="$STORE" --block \
    > "$JOIN_LOG" 2>&1 &
until grep -q 'Ray runtime started' "$JOIN_LOG"; do
    kill -0 $! || { cat "$JOIN_LOG" >&2; exit 1; }
    sleep 0.2
done
exec "$@"
"""


def main() -> None:
    """Become it."""
    os.environ |= {"RAY": ray_program(), "STORE": str(OBJECT_STORE)}
    serve = [sys.executable, "-m", "openclaw_actors", *sys.argv[1:]]
    os.execvp(APART[0], [*APART, "sh", "-c", _BEGIN, "machine", *serve])


if __name__ == "__main__":
    main()
