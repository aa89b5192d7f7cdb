"""The same work on many machines: a pool of workers in a Ray cluster, object storage, results as Parquet."""
