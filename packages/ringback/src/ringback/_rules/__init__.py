"""What is judged at an app's start and by ``ringback lint``, and what is said of it."""
