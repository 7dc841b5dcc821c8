"""One large file of orders, moved by many workers on many machines: Taskiq does the handing out.

docker run -p 6379:6379 redis                                  # or any Redis or Valkey
export VOUCHERIFY_APP_ID=... VOUCHERIFY_APP_TOKEN=...
export REDIS_URL=redis://localhost SCALE_OUT_FOLDER=/mnt/shared
cd examples
taskiq worker scale_out.tasks:broker --workers 1               # as often as you like, wherever you like
python -m scale_out upsert_all orders.jsonl                    # or import_all
"""
