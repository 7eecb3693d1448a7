FROM base

RUNN x
