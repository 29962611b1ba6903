"""What every tier that speaks HTTP needs: files, headers, bodies, redirects and addresses."""
