"""The script that Streamlit runs, again for each thing a visitor does."""

from lvef.webapp.layout import run

run()
