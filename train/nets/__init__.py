"""The networks: backbones, necks and heads of the PP-OCR family."""
