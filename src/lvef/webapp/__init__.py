"""The web page: drop a clip, see its ejection fraction with all that it rests on, correct it, take the files along.

Streamlit shows it; ``lvef app`` starts it. Nothing leaves the machine it runs on: no fonts, scripts or statistics
from outside.
"""
