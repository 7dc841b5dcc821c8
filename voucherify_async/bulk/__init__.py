"""Any number of orders: `client.orders.import_all` and `client.orders.upsert_all`."""
