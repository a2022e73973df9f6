"""The command `splatcodec`, one module per subcommand."""
