"""The output of commands: Rich renderables for people, and JSON documents for programs."""
