FROM base
USER --x y
