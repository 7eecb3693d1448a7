FROM base
cpy a b
