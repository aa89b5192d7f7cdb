"""The page of ``lvef app``: its routes, sessions and static files, served by the jobs of `lvef.service`."""
