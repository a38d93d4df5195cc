//! What live tests share: harness, leak check, test hosts.
