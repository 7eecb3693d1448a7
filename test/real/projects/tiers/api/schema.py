"""Makes the table that the servers count in."""

import psycopg2

with psycopg2.connect("") as connection, connection.cursor() as cursor:
    cursor.execute("create table if not exists visits (server text not null)")
print("the schema is there")
