"""Traffic generators: `software` (AF_PACKET, any Linux machine). Nothing is imported until it is used."""
