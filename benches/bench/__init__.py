"""What `benches/run` is made of. Peers, loads and rows know nothing of reports; a report knows only the results' JSON."""
