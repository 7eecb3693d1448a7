FROM base
SHELL /bin/sh
