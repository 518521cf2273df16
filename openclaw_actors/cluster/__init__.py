"""Many hosts as one, on Ray (extra ``cluster``): where a call goes, hosts as Ray actors, engines that hosts share.

Nothing below this package knows of it but by what it is handed (api/member.py), a host by itself imports none of it.

Who there is
    A *host* (host_actor.py) is a detached Ray actor: one process that runs the ordinary Host, with its own HTTP port
    and range of UDP ports. Ray starts it anew when it dies. Its name is in every id that it gives away
    (names.py: calls, sessions, resume tokens), so nobody keeps a directory.
    An *engine actor* (engine_service.py) is a recogniser or a voice that all hosts ask, if ``[cluster] engines`` says
    so: the same engine, with its worker processes, that a host has for itself.
    A *front* (front.py) is the process of ``serve``, on each machine. It holds no calls: it passes requests on.

What they say to each other
    front or host → host, by actor handle: ``tell`` (how it does, where its port is; begins it where it has not begun),
    ``close``, ``leave``. front → host, by HTTP to its port: each request as it came, with a proof that a front sends it
    (api/member.py); streams last as long as their readers. HTTP, and not the handle, because half of the requests
    are streams anyway, a client that leaves is noticed, and it goes on while Ray's head is away.
    host → engine actor, by handle (engine_pool.py): ``greet``, ``transcribe``, ``speak``.
    host → database: records, keys, used tokens, and a lock that is free when the process is dead (store/claims.py).

States of a host, as a front sees it (roster.py)
    starting → ready ⇄ full → draining → (restarts) → starting …; silent: it does not answer, and gets no new calls.

What may fail, and what comes of it
    A host dies: what it was asked is refused (502 ``host_lost``), its calls are recorded ``failed/node_lost``, told to
    webhooks by any other host within 20 s (Host.bury_lost), which needs both the free lock and Ray's word. A page
    redials with its resume token, a carrier asks what follows (``/voice/again``): the conversation goes on elsewhere
    from the records (actors/recall.py). Calls of other hosts notice nothing.
    An engine actor dies: another is asked, or this one when Ray has it again; past its deadline the stage has failed.
    A front dies: calls go on; the machine's next ``serve`` finds the hosts again. On one machine without
    ``cluster.address`` the cluster is the front's own and ends with it.
    Ray's head is away: calls, commands and reading go on; new calls are refused with 503 ``head_away`` and Retry-After.
    The database is away: as for one host (records wait); nobody is declared dead.
"""
