#!/bin/sh
# Starts every program of the image. Matplotlib takes only a configuration folder that it may write to, so it gets one in
# /tmp, with the list of fonts made when the image was built. Files that the program leaves are its own user's only.
set -eu
umask 077
if [ -n "${MPLCONFIGDIR:-}" ] && [ ! -e "$MPLCONFIGDIR" ]; then
    cp -R /opt/lvef/share/matplotlib "$MPLCONFIGDIR" || echo "lvef: cannot write to $MPLCONFIGDIR; the first picture takes longer." >&2
fi
exec "$@"
