"""A caller on the telephone network, whose carrier brings the sound over a WebSocket.

Carriers' own words stay in one file each (twilio.py); peer.py moves sound and knows neither them nor an HTTP server.
"""
