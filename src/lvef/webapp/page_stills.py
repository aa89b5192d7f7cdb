"""The page."""
from lvef.webapp.shell import head, in_sentences
@in_sentences
def page() -> None:
    """Draw."""
    head("stills", "")
