//! Makes runnable OCI bundles.
