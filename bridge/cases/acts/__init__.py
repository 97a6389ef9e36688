"""People's acts on a case, one small module each, all with the one shape of `signature.Act`.

A new act is a new name in `bridge.model.case.ActName`, a new module here and a line in
`registry`.
"""
