"""What we send to Google is what Google publishes: requests against its discovery documents."""
