"""From a record or an inventory to something that people read: HTML, terminal, YAML. Renders, never decides."""
