FROM base
something else
