"""The pages of the application that is measured."""
