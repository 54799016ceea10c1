"""What in an image speaks for a class: Grad-CAM, Grad-CAM++, integrated gradients, occlusion."""
