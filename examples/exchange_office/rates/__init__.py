"""Money of one country for that of another."""
