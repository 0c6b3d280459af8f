"""The preview page: what the cameras see and what is read, for whoever installs or looks after the box."""
