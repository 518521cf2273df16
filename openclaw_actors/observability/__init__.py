"""What operators watch: metrics, logs. Knows nothing of calls beyond names and labels; nothing here acts."""
