"""The case desk: inputs in, events out; one case, two linked tasks, the same facts in two wordings."""
