"""The script that Streamlit runs, again for each thing a visitor does."""

from __future__ import annotations

import streamlit as st

import lvef
from lvef.core.wording import DISCLAIMER
from lvef.webapp import page_about, page_compare, page_two_files, page_video
from lvef.webapp.layout import HERE, show_element

PRIVACY = "Files stay on the machine that runs this page and are deleted when you close it."
"""Stands in the footer of each page."""

st.set_page_config(
    page_title="lvef",
    page_icon=str(HERE / "icon.svg"),
    layout="wide",
    menu_items={"About": f"lvef {lvef.__version__}. {DISCLAIMER}"},
)
st.html(f"<style>{(HERE / 'style.css').read_text(encoding='utf-8')}</style>")
pages = [
    st.Page(page_video.page, title="Video", url_path="video", default=True),
    st.Page(page_two_files.stills_page, title="ED / ES images", url_path="images"),
    st.Page(page_two_files.study_page, title="Study", url_path="study"),
    st.Page(page_compare.page, title="Compare models", url_path="compare"),
    st.Page(page_about.page, title="About", url_path="about"),
]
st.navigation(pages, position="top").run()
show_element("footer", (DISCLAIMER, PRIVACY))
