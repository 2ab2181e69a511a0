"""What the customer sees in a browser: the hosted invoice, its receipt, what every page shares."""
