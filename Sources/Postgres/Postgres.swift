// Postgres: libpq wrapped: connections, binds, rows, transactions, errors, the private server.
