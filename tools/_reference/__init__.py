"""The reference: `document` orders the public names, `entry` writes one of them."""
