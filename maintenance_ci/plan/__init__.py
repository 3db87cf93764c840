"""What decides: pure. It touches no network, no file and no clock."""
