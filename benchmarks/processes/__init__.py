"""Several processes on one project's limit: with `RedisRateLimiter`, and each by itself."""
