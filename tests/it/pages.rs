//! The web pages and the browser script, in headless Chromium.
