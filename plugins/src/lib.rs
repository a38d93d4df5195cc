//! The library that CNI plugins are written on.
