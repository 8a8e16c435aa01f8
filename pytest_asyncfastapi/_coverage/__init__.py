"""What was tested of an app's behaviour: which requests, failures, cuts, loads and timeouts."""
