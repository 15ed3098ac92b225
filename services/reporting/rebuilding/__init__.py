"""The projection counted again from the first event, beside the one that is shown, and put in its place."""
