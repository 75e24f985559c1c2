//! The Latchkey filter: an API-key gate inside the proxy.
