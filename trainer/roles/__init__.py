"""What posters, trainers and auditors do on a market behind a node; the command line and the agent both do it here."""
