"""The web page: upload a clip, see its ejection fraction with the contours, correct it, download reports and tables.

A Streamlit app that ``lvef app`` starts. Nothing leaves its machine, and no fonts, scripts or statistics come from outside.
"""
