"""edge-ocr's appliance: camera feed in, text events over MQTT out."""
