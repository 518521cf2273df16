"""Many hosts as one, on Ray (the extra ``cluster``): where a call goes, hosts as Ray actors, engines that hosts share.

Nothing below this package knows of it, and a host alone does not import it.
"""
