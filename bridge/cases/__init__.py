"""The case desk: inputs in, events out; one case, two tasks, the same facts in two wordings.

How the parts that run use it::

    from bridge.cases.state import DeskState, evolve, initial, projection
    from bridge.cases.desk import answer_of, decide
    from bridge.cases.letters import Letter, follow

    state = initial(tenant)             # then fold each stored event: evolve(state, event)
    events = decide(input, state)       # tuple of Event; () = handled before, or no news
    for event in events:
        evolve(state, event)            # in place; returns the same state
        letters = follow(event, state)  # tuple of Letter; after evolve, event by event
    answer_of(events)                   # Answer(status, reason, case): 200, 403, 409, 422
    projection(state, event.case)       # Case with its number; also of one just closed

`Wording.render(letter, state)` gives `Message(subject, text, html)` of a letter to a person;
letters to ``webhook`` (receiver ``*``: one notification for each) and to ``journal`` carry
their JSON in `text`. `bridge.cases.audit` has `canonical(value)`, `fingerprint(value)` and
`chain_hash(previous_hash, event_json)`, which starts from `GENESIS`.

`bridge.cases.wording.Wording(environment)` also words a case for pages and REST:
`sentence`, `task_text` and `next_step`, each `(case, *, side, language, zone) -> str`.
"""
