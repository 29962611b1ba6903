"""sprag in the words of other frameworks. Each part needs the framework that it is named after."""
